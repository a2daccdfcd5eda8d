"""For journeys: what stands beside them, and the copy of the repository that they run in."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
