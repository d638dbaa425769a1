"""Adapters to programs that others wrote, one a file, each an extra of its own.

A program moves the particles and gives the forces; an adapter only starts it and reads it off. It is imported when
motion is asked for, and not before.
"""
