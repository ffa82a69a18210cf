"""The verdict of an A/B: block effects, the rule, what overrules it, and its words."""
