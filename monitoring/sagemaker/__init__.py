"""Amazon SageMaker Model Monitor: its files are read as checks and as a baseline, and each look can write them."""
