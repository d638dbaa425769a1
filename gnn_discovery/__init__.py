"""From particle motion to the force law: a formula with error bars, the evidence for it, and a verdict."""
