"""The fuzzer is no test, and needs a package that tests do not have."""

collect_ignore = ["fuzz_readers.py"]
