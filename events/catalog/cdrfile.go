package catalog

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// CdrColumns are the columns of a CDR in their order.
const CdrColumns = `call leg state node sip_call_id
customer_company customer_account originator vendor_company vendor_account terminator route
caller caller_name called caller_routed called_routed diversion asserted_identity
remote transport user_agent
setup_us ringing_us answered_us ended_us pdd_us early_media answered raw_ms
sip_code reason q850 cause ended_by last priced codec media_address
packets bytes lost duplicates reordered jitter_us mos_centi rejected
side billed_account deck deck_version deck_row prefix destination currency
price_first_nano price_next_nano interval_first_s interval_next_s free_s connect_fee_micro tax_ppm
billed_s first_s exact net_micro tax_micro gross_micro
overrun_micro cost_micro cost_currency margin_micro margin_currency hold_position book_position
emergency package package_s late offline
deck_currency exchange_e12
srtp mean_jitter_us max_jitter_us gaps longest_silence_ms rtt_us max_rtt_us
reported reported_lost reported_jitter_us reported_mos_centi reported_discarded_256
dropped_source dropped_malformed dropped_no_peer dropped_send dropped_auth dropped_replay dtmf_events recorded captured`

const (
	// maxCdrProfiles bounds the profiles, each of which looks for its CDRs by itself.
	maxCdrProfiles = 100
	maxCdrPlace    = 500
	maxCdrSecret   = 8192 // the private key of an SFTP user
	maxCdrHostKey  = 2048
	maxCdrCA       = 16 << 10
	minCdrInterval = 60
	maxCdrInterval = 86_400
	// MaxCdrRows bounds a file: its rows stand in one event.
	MaxCdrRows = 2500
	// CdrRowBytes is the length of a row in a progress.
	CdrRowBytes = 18
)

var (
	cdrDirectory = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	cdrURL       = regexp.MustCompile(`^https://[^\s/@?#]+(/[^\s?#]*)?$`)
	cdrSFTP      = regexp.MustCompile(`^sftp://[A-Za-z0-9._-]+@[^\s/@?#]+(/[^\s?#]*)?$`)
	cdrHostKey   = regexp.MustCompile(`^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}$`)
)

// CdrProfile finds a profile of CDR files by its id.
func (s *State) CdrProfile(id string) *wire.CdrProfile {
	return s.items[KindCdrProfile][id].Entity.GetCdrProfile()
}

func validateCdrProfile(p *wire.CdrProfile) error {
	known := strings.Fields(CdrColumns)
	for i, c := range p.Columns {
		switch {
		case !slices.Contains(known, c):
			return events.Invalid("columns.%d: %q is no column of a CDR, such as call, setup_us or gross_micro", i, c)
		case slices.Contains(p.Columns[:i], c):
			return events.Invalid("columns.%d: %s stands twice", i, c)
		}
	}
	switch {
	case p.FromUs <= 0:
		return events.Invalid("from_us: say from when on calls are written")
	case p.IntervalS < minCdrInterval || p.IntervalS > maxCdrInterval:
		return events.Invalid("interval_s: %d s is not %d to %d", p.IntervalS, minCdrInterval, maxCdrInterval)
	case p.OffsetS >= p.IntervalS:
		return events.Invalid("offset_s: %d s is not less than the interval of %d s", p.OffsetS, p.IntervalS)
	case p.Format < wire.CdrFormat_CDR_FORMAT_CSV || p.Format > wire.CdrFormat_CDR_FORMAT_XLSX:
		return events.Invalid("format must be csv, pipe or xlsx")
	}
	if err := validateCdrTarget(p); err != nil {
		return err
	}
	return checkName(p.Name)
}

func validateCdrTarget(p *wire.CdrProfile) error {
	if strings.HasPrefix(p.Url, "sftp:") {
		return validateCdrSFTP(p)
	}
	switch {
	case p.HostKey != "":
		return events.Invalid("host_key: the key of a server is for an sftp url; https has ca")
	case (p.Directory == "") == (p.Url == ""):
		return events.Invalid("files go either to a directory or to a url: name one of them")
	case p.Directory != "" && (len(p.Directory) > maxCdrPlace || !cdrDirectory.MatchString(p.Directory)):
		return events.Invalid("directory: %q is not a path below the node's directory, such as partner/daily", p.Directory)
	case p.Url != "" && (len(p.Url) > maxCdrPlace || !cdrURL.MatchString(p.Url)):
		return events.Invalid("url: %q is not an address such as https://files.example.net/in or sftp://user@files.example.net/in, without user, query or fragment", p.Url)
	case p.Url == "" && (len(p.Secret) > 0 || p.Ca != ""):
		return events.Invalid("a token and a ca are for a url; this profile writes into a directory")
	case len(p.Secret) > maxCdrSecret:
		return events.Invalid("the token is longer than %d bytes", maxCdrSecret)
	}
	return checkCA(p.Ca)
}

// checkCA looks at the certificates of those who vouch for a server; none is the system's.
func checkCA(pem string) error {
	if pem != "" && (len(pem) > maxCdrCA || !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----")) {
		return events.Invalid("ca: certificates in PEM are expected, %d bytes at most", maxCdrCA)
	}
	return nil
}

func validateCdrSFTP(p *wire.CdrProfile) error {
	switch {
	case p.Directory != "":
		return events.Invalid("files go either to a directory or to a url: name one of them")
	case len(p.Url) > maxCdrPlace || !cdrSFTP.MatchString(p.Url):
		return events.Invalid("url: %q is not an address such as sftp://user@files.example.net:22/in, without password, query or fragment", p.Url)
	case len(p.HostKey) > maxCdrHostKey || !cdrHostKey.MatchString(p.HostKey):
		return events.Invalid("host_key: the server's key is expected as ssh-keyscan tells it, without its name: ssh-ed25519 AAAA…")
	case p.Ca != "":
		return events.Invalid("ca: certificates are for an https url; an sftp server has host_key")
	case len(p.Secret) == 0:
		return events.Invalid("token: the password or the private key of the sftp user is missing")
	case len(p.Secret) > maxCdrSecret:
		return events.Invalid("the token is longer than %d bytes", maxCdrSecret)
	}
	return nil
}

func validateCdrProgress(p *wire.CdrProgress) error {
	switch {
	case p.Number == 0 || p.CutUs <= 0 || p.Count == 0 || p.Count > MaxCdrRows:
		return events.Invalid("a file has a number, a time and 1 to %d rows", MaxCdrRows)
	case p.DeliveredUs == 0 && len(p.Rows) != int(p.Count)*CdrRowBytes:
		return events.Invalid("rows: %d bytes are not %d rows", len(p.Rows), p.Count)
	case p.DeliveredUs != 0 && len(p.Rows) != 0:
		return events.Invalid("rows: those of a file that was delivered are known already")
	}
	return nil
}

// follows refuses what does not come after a progress: files are delivered one after
// the other.
func follows(old, put *wire.CdrProgress) *events.Error {
	open := old.DeliveredUs == 0
	switch {
	case open && put.Number == old.Number && put.DeliveredUs != 0 && put.Count == old.Count && put.CutUs == old.CutUs:
		return nil
	case !open && put.Number == old.Number+1 && put.DeliveredUs == 0:
		return nil
	}
	return events.Invalid("file %d of profile %s does not follow what is known of file %d", put.Number, put.Id, old.Number)
}

// checkCdrProfile looks at a profile beside the rest of the state after an edit.
func (s *State) checkCdrProfile(ref Ref, p *wire.CdrProfile) *events.Error {
	if n := s.Len(KindCdrProfile); n > maxCdrProfiles {
		return events.Invalid("there would be %d profiles of CDR files; at most %d are allowed", n, maxCdrProfiles)
	}
	if a := s.Account(p.Account); a != nil && p.Company != "" && a.Company != p.Company {
		return events.Invalid("%s: account %s is of company %s, not of %s", ref, p.Account, a.Company, p.Company)
	}
	return nil
}
