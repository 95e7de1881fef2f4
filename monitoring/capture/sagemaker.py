"""Moved to monitoring.capture.readers.sagemaker; this name goes away."""

from monitoring.capture.readers.sagemaker import *  # noqa: F403
