// Package model holds what the GraphQL answers are made of: the exact scalars,
// the global ids, and the generated types.
package model
