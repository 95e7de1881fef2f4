"""Other tools, each in an environment of its own. Only these modules import them."""
