"""Engines: run capture and profile over many objects."""
