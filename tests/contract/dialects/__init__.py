"""What each dialect calls the things of a sale, so that generated requests can be given real ones."""
