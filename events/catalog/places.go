package catalog

import (
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxPlaces bounds the nodes whose addresses are kept, maxOfPlace the addresses of
	// one.
	maxPlaces  = 32
	maxOfPlace = 32
	// maxFilesName bounds where files are copied from: a host and a port.
	maxFilesName = 300
	// sheetHash is the length of what tells one interconnect sheet from another.
	sheetHash = 32
)

// validatePlaces checks what nodes say of where they take calls and media.
func validatePlaces(places []*wire.NodePlace) error {
	if len(places) > maxPlaces {
		return events.Invalid("node_places: at most %d are allowed", maxPlaces)
	}
	for i, p := range places {
		if err := CheckID(p.Node); err != nil {
			return events.Invalid("node_places.%d: node: %v", i, err)
		}
		if slices.ContainsFunc(places[:i], func(o *wire.NodePlace) bool { return o.Node == p.Node }) {
			return events.Invalid("node_places.%d: node %s is there twice", i, p.Node)
		}
		if err := validatePlace(p); err != nil {
			return events.Invalid("node_places.%d: %v", i, err)
		}
	}
	return nil
}

func validatePlace(p *wire.NodePlace) error {
	if len(p.Listeners) > maxOfPlace || len(p.Media) > maxOfPlace {
		return events.Invalid("at most %d listeners and addresses of media are allowed", maxOfPlace)
	}
	for i, l := range p.Listeners {
		if err := CheckID(l.Name); err != nil {
			return events.Invalid("listeners.%d: name: %v", i, err)
		}
		if !isHost(l.Address) {
			return events.Invalid("listeners.%d: address %.80q is neither an address nor a name", i, l.Address)
		}
		for _, port := range l.Ports {
			if !slices.Contains([]string{"udp", "tcp", "tls", "ws", "wss"}, port.Transport) || port.Port == 0 || port.Port > 65535 {
				return events.Invalid("listeners.%d: %.10s port %d is none", i, port.Transport, port.Port)
			}
		}
	}
	for i, m := range p.Media {
		if !isHost(m) {
			return events.Invalid("media.%d: %.80q is no address", i, m)
		}
	}
	if p.MediaFrom > p.MediaTo || p.MediaTo > 65535 || p.Zone != "" && !isHost(p.Zone) || len(p.Files) > maxFilesName {
		return events.Invalid("media_from %d, media_to %d, zone %.80q, files %.80q: a range of ports and names are needed", p.MediaFrom, p.MediaTo, p.Zone, p.Files)
	}
	return nil
}

// validateTold checks what is kept of the interconnect sheet that a peer was told.
func validateTold(hash []byte, atUS int64) error {
	if len(hash) != 0 && len(hash) != sheetHash || (len(hash) == 0) != (atUS == 0) || atUS < 0 {
		return events.Invalid("sheet_told: %d bytes at %d: a hash of %d bytes and its time are needed, or neither", len(hash), atUS, sheetHash)
	}
	return nil
}
