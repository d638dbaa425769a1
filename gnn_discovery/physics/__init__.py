"""What a law is: compared with the catalogue of known laws, tested, and judged."""

from gnn_discovery.physics.checks import Seeds as Seeds
from gnn_discovery.physics.checks import check_engines as check_engines
from gnn_discovery.physics.checks import check_resamples as check_resamples
from gnn_discovery.physics.checks import check_sum_over_pairs as check_sum_over_pairs
from gnn_discovery.physics.equivalence import same_law as same_law
from gnn_discovery.physics.judge import JudgeContext as JudgeContext
from gnn_discovery.physics.judge import decide as decide
from gnn_discovery.physics.judge import investigate as investigate
from gnn_discovery.physics.judge import judge as judge
from gnn_discovery.physics.judge import needs_seeds as needs_seeds
from gnn_discovery.physics.learnt import check_follows as check_follows
from gnn_discovery.physics.learnt import judge_learnt as judge_learnt
from gnn_discovery.physics.recognise import Recognition as Recognition
from gnn_discovery.physics.recognise import recognise as recognise
from gnn_discovery.physics.record import Check as Check
from gnn_discovery.physics.record import Verdict as Verdict
