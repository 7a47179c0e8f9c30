-- Fuzzy semantic matching of names (PS3.4 C.2.2.2.1.3): words without accents and case, found by how they begin.
CREATE EXTENSION IF NOT EXISTS unaccent SCHEMA public;

-- The words of a name in any of its component groups. Names are qualified: an index is also maintained without a search path.
CREATE FUNCTION folded(written text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(left(word, 64)), '{}')
      FROM regexp_split_to_table(
               lower(public.unaccent('public.unaccent'::regdictionary, normalize(written, NFKC))),
               '[][\s^=.,;:''"()/\\-]+') AS word
     WHERE word <> ''
$$;
CREATE FUNCTION words_of(alphabetic text, ideographic text, phonetic text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(public.folded(
               coalesce(alphabetic, '') || ' ' || coalesce(ideographic, '') || ' ' || coalesce(phonetic, '')))
$$;
-- Every word of what was written begins some word; nothing written matches nothing.
CREATE FUNCTION name_query(written text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(quote_literal(word) || ':*', ' & ')::tsquery FROM unnest(public.folded(written)) AS word
$$;
CREATE INDEX study_names ON study USING gin (
    words_of(patient_name, patient_ideographic, patient_phonetic), words_of(referring_physician_name, NULL, NULL)
) WITH (fastupdate = off);
