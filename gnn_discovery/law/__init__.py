"""ForceLaw: a sum of terms with constants; its refit on observed motion, and the choice among candidates."""

from gnn_discovery.law.choose import Choice as Choice
from gnn_discovery.law.choose import Scored as Scored
from gnn_discovery.law.choose import choose as choose
from gnn_discovery.law.record import Constant as Constant
from gnn_discovery.law.record import ForceLaw as ForceLaw
from gnn_discovery.law.record import LatentProperty as LatentProperty
from gnn_discovery.law.record import Notable as Notable
from gnn_discovery.law.record import Term as Term
from gnn_discovery.law.refit import Fitted as Fitted
from gnn_discovery.law.refit import refit as refit
