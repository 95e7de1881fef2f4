"""What a configuration would have said over history: the looks of past runs, judged again from what they have stored.

`looks` finds what runs have stored; `fold` judges it in the order in which it became known, with the same pure
functions as a run; `tally` counts what came of it; `calibrate` asks which tolerances would have been quiet.
"""

from __future__ import annotations

from monitoring.replay.compare import Comparison, compare
from monitoring.replay.fold import Fold, Replayed
from monitoring.replay.looks import History

__all__ = ["Comparison", "Fold", "History", "Replayed", "compare"]
