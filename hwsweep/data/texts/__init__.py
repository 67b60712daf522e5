"""Data sets of texts: files, headlines, tokenizers, vocabularies, word vectors."""
