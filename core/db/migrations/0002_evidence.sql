ALTER TABLE "agents" ADD COLUMN "package_manager_version" text COLLATE "C" DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "updates_available" json;
--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "security_updates" json;
--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "checked_at" text COLLATE "C" DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "key_guard" text COLLATE "C" DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "policy_mode" text COLLATE "C" DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "agents" ADD COLUMN "packages_hash" text COLLATE "C" DEFAULT '' NOT NULL;