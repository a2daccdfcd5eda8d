"""The inference node: fetches the active model version, loads it, answers, and leaves without cutting an answer."""
