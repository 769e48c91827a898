"""Whether what was said is right: words, numbers, moments, choices, and the rules of published benchmarks."""
