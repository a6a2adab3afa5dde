-- Media assets: what RegisterMediaInfo keeps of a file in a bucket (src/api/ice/media.c).
ALTER TABLE media ADD COLUMN media_type TEXT NOT NULL DEFAULT 'video';
ALTER TABLE media ADD COLUMN business_type TEXT NOT NULL DEFAULT 'general';
ALTER TABLE media ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE media ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE media ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE media ADD COLUMN cover_url TEXT NOT NULL DEFAULT '';
ALTER TABLE media ADD COLUMN user_data TEXT NOT NULL DEFAULT '';
ALTER TABLE media ADD COLUMN modified_us BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX media_by_uri ON media (uri);
CREATE INDEX media_by_time ON media (created_us, id);
