"""The adapters to programs of other people, one in each file, each with an extra that installs the program.

A program moves the particles and gives the forces; an adapter starts it and reads its state. The program is imported
when motion is asked for, and not before.
"""
