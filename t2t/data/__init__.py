"""Rows from disk or the Hub, tasks with their data, mixtures of tasks, and token stores of plain text."""
