-- Numbers with their issuers under which is found what is asked for under these: the survivor of a merge may have another issuer.
CREATE FUNCTION current_identifiers(numbers text[], issuers text[]) RETURNS TABLE (number text, issuer text)
LANGUAGE sql STABLE ROWS 4 AS $$
    SELECT n, i FROM unnest(numbers) AS n, unnest(issuers) AS i
     UNION
    SELECT s.survivor #>> '{id,value}', s.survivor #>> '{id,issuer}' FROM survivor s
     WHERE s.patient #>> '{id,value}' = ANY(numbers) AND s.patient #>> '{id,issuer}' = ANY(issuers)
       AND (s.until IS NULL OR now() < s.until)
$$;
