"""Speed, memory and accuracy scripts; each writes its figures, machine and command into `results/`."""
