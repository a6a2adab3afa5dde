#pragma once
/* Custom templates as jobs look them up. */
#include "db/db.h"
#include "features/convert/template.h"

/* A source over the table `template`; `db` is borrowed for as long as the source is used. */
struct kn_template_source kn_custom_templates(struct kn_db *db);
