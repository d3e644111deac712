ALTER TABLE "patch_operations" ADD COLUMN "waiting_for" text COLLATE "C" DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "reboot_operations" ADD COLUMN "waiting_for" text COLLATE "C" DEFAULT '' NOT NULL;