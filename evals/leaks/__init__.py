"""How much of what must not leave a guard keeps in, and how often it takes an honest answer."""
