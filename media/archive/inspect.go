package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Inspected is a file as it lies on the disk.
type Inspected struct {
	Name Name
	Size int64
	// SHA256 is its hash now, Written the one that was written down when it was put
	// there; zero for none.
	SHA256, Written [sha256.Size]byte
}

// Inspect reads all finished files of a directory, day by day, and changes nothing.
func Inspect(ctx context.Context, dir string, give func(Inspected) error) error {
	tree := filepath.Join(dir, "files")
	sums, of := map[string][sha256.Size]byte{}, ""
	return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err = errors.Join(err, ctx.Err()); err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		name, err := ParseName(filepath.ToSlash(rel))
		if err != nil {
			return nil //nolint:nilerr // hashes, and what is not ours
		}
		if day := filepath.Dir(path); day != of {
			data, err := os.ReadFile(filepath.Join(day, Sums))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			sums, of = ParseSums(data), day
		}
		i := Inspected{Name: name, Written: sums[name.Base()]}
		if i.SHA256, i.Size, err = SumFile(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return give(i)
	})
}
