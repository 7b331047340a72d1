-- SPDX-License-Identifier: MIT
-- The gateway's spool: docs/overview.md says what it is, lib/port/spool.c uses it.

-- One row: whose spool this is, and which life of it.
CREATE TABLE IF NOT EXISTS node (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    village_code TEXT NOT NULL,
    incarnation  TEXT NOT NULL,
    created_at   INTEGER NOT NULL, -- microseconds since 1970
    sum          BLOB NOT NULL     -- SHA-256 of village_code and incarnation
) STRICT;

-- One row: where the spool lived when it was last opened. A copy that wakes up elsewhere
-- begins a life of its own (docs/decisions/0016).
CREATE TABLE IF NOT EXISTS home (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    machine TEXT NOT NULL,   -- words, of which one is enough to know it again; '': not known
    inode   INTEGER NOT NULL -- of this file
) STRICT;

-- Numbers given and numbers that the broker has confirmed. Delivery is in order, so
-- one number says all about it and no wide row is written twice.
CREATE TABLE IF NOT EXISTS stream (
    id            INTEGER PRIMARY KEY,
    incarnation   TEXT NOT NULL,
    topic         TEXT NOT NULL,
    next_seq      INTEGER NOT NULL DEFAULT 1,
    delivered_seq INTEGER NOT NULL DEFAULT 0,
    chain         BLOB NOT NULL DEFAULT (zeroblob(32)), -- SHA-256 of the chain before and a row's sum, row by row
    topic_offset  INTEGER NOT NULL DEFAULT -1, -- where the broker put delivered_seq: one that goes back is another topic
    again_seq     INTEGER NOT NULL DEFAULT 0, -- delivered ones that are sent once more: after this one
    again_to      INTEGER NOT NULL DEFAULT 0, -- ... up to this one; 0: none
    sum           BLOB, -- SHA-256 of all that the row says but again_*; none: nothing was ever written
    UNIQUE (incarnation, topic),
    CHECK (delivered_seq < next_seq)
) STRICT;

-- A record of each stream that the broker confirmed, and where it put it: once seen there
-- and not any more means another topic (docs/decisions/0015).
CREATE TABLE IF NOT EXISTS anchor (
    stream       INTEGER PRIMARY KEY REFERENCES stream,
    topic_offset INTEGER NOT NULL,
    appended_at  INTEGER NOT NULL, -- milliseconds since 1970, by the broker's clock
    seen         INTEGER NOT NULL  -- 1: it was looked for and found there
) STRICT;

-- One row: the hub's orders (the channel "commands") that were not yet carried out.
CREATE TABLE IF NOT EXISTS orders (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    next_offset INTEGER NOT NULL
) STRICT;

-- How far a stream had come when a day began that the clock was sure of: what rows say
-- of their own time may be any year's, and nothing is thrown away by that.
CREATE TABLE IF NOT EXISTS day (
    id       INTEGER PRIMARY KEY, -- in the order in which they were seen
    day      INTEGER NOT NULL,    -- since 1970
    stream   INTEGER NOT NULL REFERENCES stream,
    last_seq INTEGER NOT NULL,
    UNIQUE (stream, day)
) STRICT;

-- Numbers that were given and whose events a damaged spool lost.
CREATE TABLE IF NOT EXISTS missing (
    stream   INTEGER NOT NULL REFERENCES stream,
    from_seq INTEGER NOT NULL,
    to_seq   INTEGER NOT NULL CHECK (to_seq >= from_seq),
    PRIMARY KEY (stream, from_seq)
) STRICT, WITHOUT ROWID;

-- value is what goes to the topic, framing and all; headers is envelope_pack()'s. Rows of
-- a stream stand behind each other in the order of their numbers (docs/decisions/0018).
CREATE TABLE IF NOT EXISTS event (
    place       INTEGER PRIMARY KEY, -- stream * 2^44 + seq
    stream      INTEGER AS (place >> 44) VIRTUAL,
    seq         INTEGER AS (place & 0xFFFFFFFFFFF) VIRTUAL,
    event_id    BLOB NOT NULL,
    id_high     INTEGER NOT NULL, -- first 8 bytes of event_id, to find it by
    recorded_at INTEGER NOT NULL,
    headers     BLOB NOT NULL,
    value       BLOB NOT NULL,
    digest      BLOB,    -- of the body, where a repeat may come
    alias       BLOB,    -- id derived from the key of a post that had an own event_id
    alias_high  INTEGER,
    reason      TEXT,    -- why a person made it void; headers and value are then a Void's
    sum         BLOB NOT NULL -- SHA-256 of all that the row says and of its stream
) STRICT;

-- Ids of the gateway grow with time, so this index grows at its end; only the ids that
-- are derived from a key fall anywhere.
CREATE INDEX IF NOT EXISTS event_by_id ON event (id_high);
CREATE INDEX IF NOT EXISTS event_by_alias ON event (alias_high) WHERE alias_high IS NOT NULL;

-- Keys that came with an event which was there already, under the sender's own id.
CREATE TABLE IF NOT EXISTS key (
    alias BLOB PRIMARY KEY, -- id derived from the key
    place INTEGER NOT NULL  -- of the event
) STRICT, WITHOUT ROWID;
