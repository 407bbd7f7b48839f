package world

import (
	"fmt"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// cdrProfile says which CDRs are written into files.
type cdrProfile struct {
	ID       string `yaml:"id"`
	Name     string `yaml:"name"`
	Disabled bool   `yaml:"disabled"`
	Company  string `yaml:"company"`
	Account  string `yaml:"account"`
	// From is when the first calls began that are written, as 2026-12-01T00:00:00Z.
	From string `yaml:"from"`
	// Every is how often, as 15m or 1d; Offset shifts the times from midnight UTC.
	Every  string `yaml:"every"`
	Offset string `yaml:"offset"`
	// Format is csv, pipe or xlsx.
	Format  string   `yaml:"format"`
	Columns []string `yaml:"columns"`
	// Directory is below the one of the node's cdr_files; URL is https:// or
	// sftp://user@host:port/path.
	Directory string `yaml:"directory"`
	URL       string `yaml:"url"`
	// Token is sent with each file; for sftp it is the password or the private key. Left out,
	// it stays.
	Token string `yaml:"token"`
	CA    string `yaml:"ca"`
	// HostKey is the key of an sftp server: ssh-ed25519 AAAA….
	HostKey string `yaml:"host_key"`
}

func (e *edit) cdrProfile(p cdrProfile) error {
	out := &wire.CdrProfile{
		Id: p.ID, Name: p.Name, Disabled: p.Disabled, Company: p.Company, Account: p.Account, Columns: p.Columns,
		Directory: p.Directory, Url: p.URL, Ca: p.CA, HostKey: p.HostKey,
	}
	from, err := time.Parse(time.RFC3339, p.From)
	if err != nil {
		return events.Invalid("from %q is not a time such as 2026-12-01T00:00:00Z", p.From)
	}
	out.FromUs = from.UnixMicro()
	if out.IntervalS, err = longSeconds("every", p.Every); err != nil {
		return err
	}
	if out.OffsetS, err = longSeconds("offset", p.Offset); err != nil {
		return err
	}
	if out.Format, err = choice("format", p.Format, map[string]wire.CdrFormat{
		"csv": wire.CdrFormat_CDR_FORMAT_CSV, "pipe": wire.CdrFormat_CDR_FORMAT_PIPE, "xlsx": wire.CdrFormat_CDR_FORMAT_XLSX,
	}); err != nil {
		return err
	}
	var old []byte
	if was := e.cat.CdrProfile(p.ID); was.GetUrl() == p.URL && was.GetHostKey() == p.HostKey { // a token is not sent to another place than it was given for
		old = was.GetSecret()
	}
	if p.Token != "" || p.URL != "" && len(old) > 0 {
		if out.Secret, err = e.secret("cdr profile "+p.ID, old, p.Token); err != nil {
			return fmt.Errorf("token: %w", err)
		}
	}
	e.put(out)
	return nil
}
