import sqlite3 from 'sqlite3';

/** A handle of the driver whose calls are promises, for the tools that leave the database to their user. */
export function open(path, pragmas) {
  return new Promise((resolve, reject) => {
    const database = new sqlite3.Database(path, async (failure) => {
      if (failure) {
        reject(failure);
        return;
      }
      const call =
        (method) =>
        (...parameters) =>
          new Promise((done, fail) => {
            database[method](...parameters, (error, rows) => (error ? fail(error) : done(rows)));
          });
      const db = { exec: call('exec'), run: call('run'), all: call('all'), close: call('close') };
      try {
        await db.exec(pragmas);
        resolve(db);
      } catch (error) {
        reject(error);
      }
    });
  });
}
