package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/events/backup"
)

// backUp copies the book, the logs, the price lists and the key into a directory.
func backUp(ctx context.Context, c *console, args []string) error {
	f := c.flags("backup", "copies the book, the logs of all nodes, the price lists and the cluster key; recordings are files of their own")
	to := f.String("to", "", "the directory to make; it holds the cluster key: guard it")
	data := f.String("data", "", "the store of a node alone that is stopped; by default a running node is asked")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *to == "" {
		return usageError{errors.New("-to is needed")}
	}
	var m backup.Manifest
	var err error
	if *data != "" {
		m, err = node.BackupDir(ctx, *data, *to, logger(c))
	} else {
		m, err = fetchBackup(ctx, cl, *to)
	}
	if err != nil {
		return err
	}
	tellBackup(c, *to, m)
	return nil
}

func tellBackup(c *console, dir string, m backup.Manifest) {
	fmt.Fprintf(c.out, "%s: a backup of %s\n", dir, m.MadeAt.Format("2006-01-02 15:04:05 MST"))
	for _, s := range m.Streams {
		fmt.Fprintf(c.out, "%-5s up to sequence %d\n", s.Name, s.Last)
	}
	fmt.Fprintf(c.out, "%d blobs\n", m.Blobs)
}

// fetchBackup has a running node make a backup and unpacks it.
func fetchBackup(ctx context.Context, cl *client, to string) (m backup.Manifest, err error) {
	if entries, err := os.ReadDir(to); err == nil && len(entries) > 0 {
		return m, fmt.Errorf("%s is not empty", to)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cl.url+"/backup", http.NoBody)
	if err != nil {
		return m, err
	}
	req.Header.Set("Authorization", "Bearer "+cl.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return m, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the status says it, too
		return m, fmt.Errorf("%s: %s: %s", cl.url, resp.Status, text)
	}
	if err := unpack(resp.Body, to); err != nil {
		return m, fmt.Errorf("fetch the backup: %w", err)
	}
	return backup.Read(to)
}

// unpack writes the files of a tar archive into a directory, and nowhere else.
func unpack(r io.Reader, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	return errors.Join(unpackInto(root, tar.NewReader(r)), root.Close())
}

func unpackInto(root *os.Root, files *tar.Reader) error {
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head.Typeflag != tar.TypeReg {
			continue // directories are made for their files
		}
		if err := unpackFile(root, head.Name, files); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, from io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Sync(), file.Close())
}

// restore fills an empty store from a backup.
func restore(ctx context.Context, c *console, args []string) error {
	f := c.flags("restore", "fills the empty store of a node from a backup; in a cluster, whose other nodes are started with empty stores and wait, that of all")
	from := f.String("from", "", "the backup's directory")
	config := f.String("config", "", "the node's configuration")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *from == "" || *config == "" {
		return usageError{errors.New("-from and -config are needed")}
	}
	cfg, err := node.ReadConfig(*config)
	if err != nil {
		return err
	}
	m, err := node.Restore(ctx, cfg, *from, logger(c))
	if err != nil {
		return err
	}
	tellBackup(c, *from, m)
	fmt.Fprintln(c.out, "restored: start the node")
	return nil
}

// grow makes the store of a cluster out of that of a node alone.
func grow(ctx context.Context, c *console, data, config string) error {
	cfg, err := node.ReadConfig(config)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Clean(data)), ".grow-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := node.BackupDir(ctx, data, dir, logger(c)); err != nil {
		return err
	}
	m, err := node.Restore(ctx, cfg, dir, logger(c))
	if err != nil {
		return err
	}
	tellBackup(c, data, m)
	fmt.Fprintf(c.out, "the cluster continues it: start the node with %s, and keep %s until you have seen that all is there\n", config, data)
	return nil
}
