-- Projects of IMM (src/api/imm). Their tasks are jobs of the kind "task" whose name is the project's.
CREATE TABLE imm_project (
    name TEXT PRIMARY KEY,
    settings TEXT NOT NULL,        -- JSON object: the members of Project that a caller may set
    tags TEXT NOT NULL,            -- JSON array: [{"Key","Value"}]
    created_us BIGINT NOT NULL,
    modified_us BIGINT NOT NULL
);
