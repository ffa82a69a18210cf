"""An A/B as a document: one screen, the verdict first."""
