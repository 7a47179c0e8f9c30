-- Whether an issuer is known at all is asked by PIXm (ITI-83) for every domain that a client names.
CREATE INDEX identifiers_issuer ON identifiers (issuer);
