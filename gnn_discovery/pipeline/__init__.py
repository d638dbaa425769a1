"""The story in order: motion, network, messages, candidates, law, verdict, report."""

from gnn_discovery.pipeline.check import check_law as check_law
from gnn_discovery.pipeline.config import DiscoverConfig as DiscoverConfig
from gnn_discovery.pipeline.discovery import discover as discover
from gnn_discovery.pipeline.explanation import explain as explain
from gnn_discovery.pipeline.known_terms import fit_known_terms as fit_known_terms
from gnn_discovery.pipeline.known_terms import fit_stated_law as fit_stated_law
from gnn_discovery.pipeline.known_terms import prepend_known_terms as prepend_known_terms
from gnn_discovery.pipeline.known_terms import subtract_known_terms as subtract_known_terms
from gnn_discovery.pipeline.network_training import train_with_restarts as train_with_restarts
from gnn_discovery.pipeline.run_cache import RunCache as RunCache
from gnn_discovery.pipeline.run_cache import load_run_config as load_run_config
from gnn_discovery.pipeline.stages import LoadedMotion as LoadedMotion
from gnn_discovery.pipeline.stages import MessageReadout as MessageReadout
from gnn_discovery.pipeline.stages import distill_candidates as distill_candidates
from gnn_discovery.pipeline.stages import distill_network_energies as distill_network_energies
from gnn_discovery.pipeline.stages import estimate_constants as estimate_constants
from gnn_discovery.pipeline.stages import extract_messages as extract_messages
from gnn_discovery.pipeline.stages import load_motion as load_motion
from gnn_discovery.pipeline.stages import names_a_file as names_a_file
from gnn_discovery.pipeline.stages import prepare_dataset as prepare_dataset
from gnn_discovery.pipeline.stages import require_engines as require_engines
from gnn_discovery.pipeline.stages import select as select
from gnn_discovery.pipeline.stages import train_on_dataset as train_on_dataset
