"""Evaluation that anyone can repeat: datasets in their official layouts, and their protocols."""

from dff.evaluation.datasets import Ask, Dataset, DatasetProblem, Sample, open_dataset

__all__ = ["Ask", "Dataset", "DatasetProblem", "Sample", "open_dataset"]
