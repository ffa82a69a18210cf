"""An A/B as text and as Markdown: one screen, the verdict first."""
