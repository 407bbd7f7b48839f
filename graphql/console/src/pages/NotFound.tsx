import { useTexts } from '../i18n/i18n';
import classes from '../parts/parts.module.css';

export function NotFound() {
  const { t } = useTexts();
  return <div className={classes.empty}>{t('common.notFound')}</div>;
}
