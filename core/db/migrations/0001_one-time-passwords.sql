CREATE TABLE "_otps" (
	"id" text PRIMARY KEY NOT NULL,
	"collection" text NOT NULL,
	"record" text NOT NULL,
	"hash" text NOT NULL,
	"token_key_hash" text NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"expires" timestamp with time zone NOT NULL
);

--> statement-breakpoint
CREATE INDEX "idx__otps__expires" ON "_otps" USING btree ("expires");