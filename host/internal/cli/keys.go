package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/vault"
)

func (c *command) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Rotate the keys that secrets are sealed with",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "rotate",
		Short: "Make a new data key and seal every secret again",
		Long: `Make a new data key and seal every secret and token again under it. The master
key stays as it is. No service may run meanwhile. It can be cut short anywhere
and run again: what is not sealed again yet still opens.`,
		Example: "  ml-connector keys rotate",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.rotateKeys(cmd.Context()) },
	})
	return cmd
}

func (c *command) rotateKeys(ctx context.Context) error {
	r, err := c.open(ctx, false)
	if errors.Is(err, db.ErrInUse) {
		return fmt.Errorf("keys are rotated while nothing else works with the data folder: %w", err)
	}
	if err != nil {
		return err
	}
	defer r.close()
	n, err := r.rotateKeys(ctx)
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(struct {
			Sealed int `json:"sealed"`
		}{n})
	}
	c.printf("new data key; %s sealed again\n", counted(n, "secret", "secrets"))
	return nil
}

// rotateKeys adds a data key and then seals everything again. Older keys stay in
// the keyset, so a crash between the two leaves every secret readable.
func (r *rooms) rotateKeys(ctx context.Context) (sealed int, err error) {
	var next *vault.Vault
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		if next, err = r.vault.Rotate(ctx, vault.NewTable(tx)); err != nil {
			return err
		}
		_, err := r.audit.Append(ctx, tx, audit.Entry{Kind: audit.KindKey, Outcome: "rotated", Reason: "a new data key was made"})
		return err
	})
	if err != nil {
		return 0, err
	}
	conns := connection.New(connection.Config{DB: r.db, Vault: next, Manifests: r.sup, Log: r.log.Named("connection")})
	if sealed, err = conns.Reseal(ctx); err != nil {
		return 0, fmt.Errorf("the new data key is stored, but the secrets are still sealed with older ones, which open as before; run it again: %w", err)
	}
	return sealed, r.db.Update(ctx, func(tx *db.Tx) error {
		_, err := r.audit.Append(ctx, tx, audit.Entry{
			Kind: audit.KindKey, Outcome: "sealed again", Reason: "every secret is sealed with the new data key",
			Detail: audit.Detail{"secrets": strconv.Itoa(sealed)},
		})
		return err
	})
}
