"""Where studies are kept, and the rule file."""
