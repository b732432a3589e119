import { historyTableOf } from '../../core/storage/history-table.js';

/** The table that holds the history unless somebody says otherwise. */
export const historyTable = historyTableOf({});
