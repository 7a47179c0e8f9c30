"""Identity: identifiers qualified by issuer, demographics."""
