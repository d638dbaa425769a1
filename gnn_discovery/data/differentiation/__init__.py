"""Numerical differentiation: velocities and accelerations from positions, their errors, and the weak form."""

from gnn_discovery.data.differentiation.completion import MIN_FRAMES_FOR_DERIVATIVE as MIN_FRAMES_FOR_DERIVATIVE
from gnn_discovery.data.differentiation.completion import CompletedTrajectory as CompletedTrajectory
from gnn_discovery.data.differentiation.completion import complete_trajectories as complete_trajectories
from gnn_discovery.data.differentiation.completion import complete_trajectory as complete_trajectory
from gnn_discovery.data.differentiation.completion import unwrap as unwrap
from gnn_discovery.data.differentiation.gaps import BridgedRun as BridgedRun
from gnn_discovery.data.differentiation.gaps import bridge_gaps as bridge_gaps
from gnn_discovery.data.differentiation.gaps import complete_stretches as complete_stretches
from gnn_discovery.data.differentiation.gaps import has_gaps as has_gaps
from gnn_discovery.data.differentiation.increments import KickMoments as KickMoments
from gnn_discovery.data.differentiation.increments import is_kicked as is_kicked
from gnn_discovery.data.differentiation.increments import kick_moments as kick_moments
from gnn_discovery.data.differentiation.increments import kick_share as kick_share
from gnn_discovery.data.differentiation.increments import to_increments as to_increments
from gnn_discovery.data.differentiation.paths import SUBSTEPS as SUBSTEPS
from gnn_discovery.data.differentiation.paths import path_agreement as path_agreement
from gnn_discovery.data.differentiation.paths import path_under_force as path_under_force
from gnn_discovery.data.differentiation.paths import spline_path as spline_path
from gnn_discovery.data.differentiation.smoother import smooth_under_force as smooth_under_force
from gnn_discovery.data.differentiation.weak_form import WeakFormRuns as WeakFormRuns
from gnn_discovery.data.differentiation.weak_form import even_step as even_step
from gnn_discovery.data.differentiation.weak_form import noise_on_paths as noise_on_paths
from gnn_discovery.data.differentiation.weak_form import resolvable_mask as resolvable_mask
from gnn_discovery.data.differentiation.weak_form import to_weak_form as to_weak_form
from gnn_discovery.data.differentiation.weak_form import to_weak_form_on_paths as to_weak_form_on_paths
from gnn_discovery.data.differentiation.window_selection import estimate_position_noise as estimate_position_noise
