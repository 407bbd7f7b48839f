package node

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
)

// firstToken is the id of the token that a node makes for its first admin.
const firstToken = "first-admin"

// FirstAdmin sees to it that somebody can sign in. A given secret becomes an
// admin's token. Without one, a book that has neither users nor tokens gets a
// token of its own making, which is returned with made set.
func (n *Node) FirstAdmin(ctx context.Context, given string) (secret string, made bool, err error) {
	cat := n.Catalog()
	hash := sha256.Sum256([]byte(given))
	stored := hash[:]
	switch {
	case given != "":
		if t := cat.TokenByHash(stored); t != nil && !t.Revoked {
			return given, false, nil
		}
		secret = given
	case cat.Len(catalog.KindUser)+cat.Len(catalog.KindToken) > 0:
		return "", false, nil
	default:
		if secret, stored, err = auth.NewToken(); err != nil {
			return "", false, err
		}
		made = true
	}
	_, err = n.change(ctx, "the first admin's token", catalog.EntityOf(&wire.Token{
		Id: firstToken, Name: "first admin", Hash: stored, Role: wire.Role_ROLE_ADMIN,
	}))
	return secret, made, err
}

// EnsureUser makes a user with a password, unless there is one with that name.
func (n *Node) EnsureUser(ctx context.Context, id, name, password string, role wire.Role) error {
	if n.Catalog().User(id) != nil {
		return nil
	}
	hash, err := auth.HashPassword(password)
	if err != nil {
		return err
	}
	_, err = n.change(ctx, "a first user", catalog.EntityOf(&wire.User{Id: id, Name: name, Password: hash, Role: role}))
	return err
}

// change puts one entity in the node's own name, and waits until it is in force.
func (n *Node) change(ctx context.Context, note string, e *wire.Entity) (events.Position, error) {
	key := events.KeyOf("node", n.settings.Node, note, time.Now().String())
	reply, err := n.book.Execute(ctx, &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node,
		Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{
			Note: note, Changes: []*wire.ExpectedChange{{Change: &wire.Change{Entity: e}}},
		}},
	})
	if err != nil {
		return 0, err
	}
	at := events.Position(reply.Position)
	return at, n.follower.Wait(ctx, at)
}
