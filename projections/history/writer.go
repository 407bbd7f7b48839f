package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	"modernc.org/sqlite"
)

// writer is the one connection that changes a file. It speaks to the driver
// directly: database/sql would copy and check each of a row's 75 values again.
// It is used by one goroutine at a time.
type writer struct {
	conn       driver.Conn
	statements map[string]driver.Stmt
}

// dsn returns the data source name of a file with pragmas.
func dsn(path string, pragmas ...string) string {
	query := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String()
}

// openWriter opens or makes a file with its schema. A commit is on the disk when
// it returns: WAL with synchronous=FULL.
func openWriter(ctx context.Context, path, schemaText string) (*writer, error) {
	connector, err := sqlite.NewConnector(dsn(path,
		"busy_timeout(10000)", "page_size(8192)", "journal_mode(WAL)", "synchronous(FULL)",
		"wal_autocheckpoint(4000)", "cache_size(-32000)", "temp_store(MEMORY)"))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	w := &writer{conn: conn, statements: make(map[string]driver.Stmt)}
	if err := w.prepareFile(ctx, schemaText); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), w.close())
	}
	return w, nil
}

// prepareFile makes the tables of a new file and checks the version of an old one.
func (w *writer) prepareFile(ctx context.Context, schemaText string) error {
	var version, tables int64
	err := w.query(ctx, "PRAGMA user_version", nil, func(v []driver.Value) error {
		version = v[0].(int64)
		return nil
	})
	if err != nil {
		return err
	}
	err = w.query(ctx, "SELECT count(*) FROM sqlite_schema", nil, func(v []driver.Value) error {
		tables = v[0].(int64)
		return nil
	})
	switch {
	case err != nil:
		return err
	case tables > 0 && version != foldVersion:
		return fmt.Errorf("%w: the file has %d, this program %d", ErrFoldVersion, version, foldVersion)
	case tables > 0:
		return nil
	}
	return w.transaction(ctx, func() error {
		text := fmt.Sprintf("%s\nPRAGMA user_version = %d;", schemaText, foldVersion)
		_, err := w.conn.(driver.ExecerContext).ExecContext(ctx, text, nil)
		return err
	})
}

// transaction commits what do does, all or nothing.
func (w *writer) transaction(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		err = w.exec(ctx, "COMMIT")
	}
	if err != nil {
		// A failed statement may have ended the transaction by itself.
		_ = w.exec(ctx, "ROLLBACK")
	}
	return err
}

// statement prepares a text once.
func (w *writer) statement(ctx context.Context, text string) (driver.Stmt, error) {
	if stmt, ok := w.statements[text]; ok {
		return stmt, nil
	}
	stmt, err := w.conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	w.statements[text] = stmt
	return stmt, nil
}

// exec runs one statement with plain driver values.
func (w *writer) exec(ctx context.Context, text string, args ...driver.Value) error {
	return w.execNamed(ctx, text, named(args))
}

// execNamed runs one statement. A statement is never interrupted half way: the
// driver would need a goroutine for each, and batches are short.
func (w *writer) execNamed(ctx context.Context, text string, args []driver.NamedValue) error {
	ctx = context.WithoutCancel(ctx)
	stmt, err := w.statement(ctx, text)
	if err != nil {
		return err
	}
	_, err = stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return err
}

// query calls each with every row. The values are valid during the call only.
func (w *writer) query(
	ctx context.Context, text string, args []driver.Value, each func([]driver.Value) error,
) (err error) {
	ctx = context.WithoutCancel(ctx)
	stmt, err := w.statement(ctx, text)
	if err != nil {
		return err
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, named(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

func (w *writer) close() error {
	var errs []error
	for _, stmt := range w.statements {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

func named(args []driver.Value) []driver.NamedValue {
	into := make([]driver.NamedValue, 0, len(args))
	for _, v := range args {
		into = bind(into, v)
	}
	return into
}

// openReader opens a file's pool of connections that cannot change it.
func openReader(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(10000)", "query_only(1)", "cache_size(-8000)"))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(2)
	return db, nil
}
