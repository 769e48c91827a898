"""Training the manager that decides about clips: reinforcement learning on states in words, a token an action."""
