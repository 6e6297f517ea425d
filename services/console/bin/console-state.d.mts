export declare const CONSOLE_FOLDER: string
export declare const INPUTS_FILE: string
export declare function isConsoleBuilt(folder?: string): boolean
