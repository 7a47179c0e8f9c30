-- Merges (libs/survivors). What an order or a study is matched by is resolved when it is read; the columns of `study` that
-- are searched are written, as no search of millions of studies can resolve each. `study.patient` stays as the images have it.

-- Whom images under this id, received at that instant, are of: all ids by which that person is known.
CREATE FUNCTION persons_of(id uuid, recorded_at timestamptz) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    SELECT DISTINCT survivor_of(known, recorded_at) FROM same_patient(survivor_of(id, recorded_at)) AS known
$$;

-- The ids by which records of these persons may name them: an index finds them, survivor_of decides.
CREATE FUNCTION names_of(persons uuid[]) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    SELECT unnest(persons) UNION SELECT patient_id FROM survivor WHERE survivor_id = ANY(persons)
$$;

-- Patient numbers under which is found what is asked for under these: a number that was merged away means its survivor.
CREATE FUNCTION current_numbers(numbers text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT numbers || ARRAY(SELECT s.survivor #>> '{id,value}' FROM survivor s
                             WHERE s.patient #>> '{id,value}' = ANY(numbers) AND (s.until IS NULL OR now() < s.until)
                               AND s.survivor #>> '{id,value}' IS NOT NULL)
$$;
