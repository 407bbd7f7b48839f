// Package gen is the code that gqlgen makes of schema/graphql. Everything but
// this file and its tests is generated.
package gen

// gqlgen also writes an empty resolve/resolver.go whenever there is none; ours is
// resolve.go.
//go:generate sh -c "cd .. && go tool gqlgen generate && rm -f resolve/resolver.go"
