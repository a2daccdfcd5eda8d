"""Says that it listens and waits for the end of its standard input, as the provider does."""

import json
import sys

print(json.dumps({"port": 40000 + len(sys.argv)}), flush=True)
sys.stdin.read()
