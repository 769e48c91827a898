"""The tables of a memory: one SQLite file per video, readable with any SQLite.

Times are float seconds from the first picture, intervals half open. Vectors are fp16 BLOBs. `seen` is the moment from
which a row could have been known while watching: only frames shown until then went into it; null where the video's end
made it.
"""

from __future__ import annotations

VERSION = 1
"""Of the tables. A memory of another version is not read."""

APPLICATION = 0x5654434D
"""`VTCM`, in the file's header: how a memory is told from any other SQLite file."""

# In the order in which rows may refer to each other.
TABLES: dict[str, str] = {
    "meta": "key TEXT PRIMARY KEY, value TEXT NOT NULL",
    "event": """id INTEGER PRIMARY KEY, t0 REAL NOT NULL, t1 REAL NOT NULL, closed_at REAL, summary TEXT,
        events_json TEXT, low_info INTEGER NOT NULL, n_redundant INTEGER NOT NULL, status TEXT NOT NULL, emb BLOB,
        CHECK (t1 > t0)""",
    "clip": """id INTEGER PRIMARY KEY, t0 REAL NOT NULL, t1 REAL NOT NULL, cut INTEGER NOT NULL, luma_std REAL NOT NULL,
        n_frames INTEGER NOT NULL, text TEXT, action TEXT NOT NULL CHECK (action IN ('ADD_NEW', 'MERGE', 'DISCARD')),
        action_reason TEXT NOT NULL, tau REAL NOT NULL, event_id INTEGER REFERENCES event(id) ON DELETE SET NULL,
        seen REAL, emb BLOB NOT NULL, CHECK (t1 > t0)""",
    "frame": """id INTEGER PRIMARY KEY, clip_id INTEGER NOT NULL REFERENCES clip(id), pts REAL NOT NULL,
        diff REAL NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, jpeg BLOB, emb BLOB""",
    "event_proto": """event_id INTEGER NOT NULL REFERENCES event(id) ON DELETE CASCADE, rank INTEGER NOT NULL,
        frame_id INTEGER NOT NULL REFERENCES frame(id), weight INTEGER NOT NULL, PRIMARY KEY (event_id, rank)""",
    "coverage": "t0 REAL PRIMARY KEY, t1 REAL NOT NULL, event_id INTEGER REFERENCES event(id) ON DELETE SET NULL",
    "concept": "id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, emb BLOB",
    "alias": """concept_id INTEGER NOT NULL REFERENCES concept(id) ON DELETE CASCADE, name TEXT NOT NULL,
        PRIMARY KEY (concept_id, name)""",
    "mention": """id INTEGER PRIMARY KEY, concept_id INTEGER NOT NULL REFERENCES concept(id) ON DELETE CASCADE,
        event_id INTEGER NOT NULL REFERENCES event(id) ON DELETE CASCADE, name TEXT NOT NULL, t0 REAL NOT NULL,
        t1 REAL NOT NULL, gloss TEXT NOT NULL, frame_ids TEXT NOT NULL""",
    "relation": """id INTEGER PRIMARY KEY, subj TEXT NOT NULL, verb TEXT NOT NULL, obj TEXT NOT NULL,
        event_id INTEGER NOT NULL REFERENCES event(id) ON DELETE CASCADE, t0 REAL NOT NULL, t1 REAL NOT NULL""",
    "revisit": """event_id INTEGER NOT NULL REFERENCES event(id) ON DELETE CASCADE,
        earlier_id INTEGER NOT NULL REFERENCES event(id) ON DELETE CASCADE, cos REAL NOT NULL,
        PRIMARY KEY (event_id, earlier_id)""",
    "subtitle": "id INTEGER PRIMARY KEY, t0 REAL NOT NULL, t1 REAL NOT NULL, text TEXT NOT NULL",
    "kv_snapshot": "t REAL PRIMARY KEY, path TEXT, tokens INTEGER, dtype TEXT, model_key TEXT, sha TEXT",
    "passage": """id INTEGER PRIMARY KEY, kind TEXT NOT NULL, ref INTEGER NOT NULL, t0 REAL NOT NULL, t1 REAL NOT NULL,
        seen REAL, body TEXT NOT NULL, emb BLOB""",
}

INDEXES = (
    "CREATE INDEX frame_of_clip ON frame(clip_id)",
    "CREATE INDEX clip_of_event ON clip(event_id)",
    "CREATE INDEX mention_of_concept ON mention(concept_id)",
    "CREATE INDEX mention_of_event ON mention(event_id)",
    "CREATE INDEX passage_of ON passage(kind, ref)",
    # Words are found in their forms: `appears` finds `appear`. The text itself stays in `passage`.
    "CREATE VIRTUAL TABLE text_fts USING fts5(body, content='passage', content_rowid='id', "
    "tokenize='porter unicode61 remove_diacritics 2')",
    # Passages have no foreign key, as they refer to several tables: what goes takes its own along.
    """CREATE TRIGGER event_goes BEFORE DELETE ON event BEGIN
        DELETE FROM mention WHERE event_id = old.id;
        DELETE FROM passage WHERE kind IN ('event', 'step') AND ref = old.id;
    END""",
    """CREATE TRIGGER mention_goes AFTER DELETE ON mention BEGIN
        DELETE FROM passage WHERE kind = 'mention' AND ref = old.id;
        DELETE FROM concept WHERE id = old.concept_id AND NOT EXISTS
            (SELECT 1 FROM mention WHERE concept_id = old.concept_id);
    END""",
    """CREATE TRIGGER passage_goes AFTER DELETE ON passage BEGIN
        INSERT INTO text_fts(text_fts, rowid, body) VALUES ('delete', old.id, old.body);
    END""",
)


def statements() -> list[str]:
    """Everything that makes an empty memory."""
    tables = [f"CREATE TABLE {name} ({columns})" for name, columns in TABLES.items()]
    return [*tables, *INDEXES, f"PRAGMA user_version = {VERSION}", f"PRAGMA application_id = {APPLICATION}"]
